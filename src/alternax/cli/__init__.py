"""The `alternax` command: thin, every verb calls a public function."""
