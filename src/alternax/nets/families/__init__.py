"""What a column of observations may be: families of laws, chosen by name of the kind or one by one.

noise=ax.families.of(data)                                       by the kinds of the columns
noise=ax.families.of(data, count=ax.families.Poisson())          another family for one kind
noise=ax.families.ColumnLaws([ax.families.Normal(), ax.families.Binned(32)])
"""

from alternax.nets.families.binned import Binned
from alternax.nets.families.choose import of
from alternax.nets.families.columns import ColumnLaws
from alternax.nets.families.discrete import Bernoulli, Categorical, NegativeBinomial, Poisson
from alternax.nets.families.family import Family
from alternax.nets.families.real import LogNormal, Mixture, Normal, StudentT

__all__ = [
    "Bernoulli",
    "Binned",
    "Categorical",
    "ColumnLaws",
    "Family",
    "LogNormal",
    "Mixture",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "StudentT",
    "of",
]
