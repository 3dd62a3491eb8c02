"""Logs of requests to language models: Azure's, whose columns are known; any other CSV goes by a column map.

Azure's log has UTC without a zone (2023) or with one (2024), seven digits of a second, and no line end at its end.
Source: github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import fsum, sqrt

from workloads.errors import WorkloadError
from workloads.importing.columns import Column, ColumnMap, TimeColumn, csv_records
from workloads.importing.records import Imported, Record

AZURE_HEADER = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
AZURE = ColumnMap(
    time=TimeColumn(column="TIMESTAMP"),
    columns={
        "prompt_tokens": Column(column="ContextTokens"),
        "output_tokens": Column(column="GeneratedTokens"),
    },
)
AZURE_ATTRIBUTION = (
    "Azure LLM inference trace, AzurePublicDataset, CC-BY 4.0; P. Patel et al., Splitwise: Efficient Generative LLM "
    "Inference Using Phase Splitting, ISCA 2024"
)


def is_azure(text: str) -> bool:
    """Whether a CSV's first line is that of Azure's log."""
    return tuple(name.strip() for name in text.partition("\n")[0].split(",")) == AZURE_HEADER


def azure_log(text: str, source: str, *, skip_bad: bool = False) -> Imported:
    """Requests with arrival, prompt and output tokens, counted from the first arrival. Raises WorkloadError."""
    return csv_records(text, source, AZURE, skip_bad=skip_bad, form="azure-llm", attribution=AZURE_ATTRIBUTION)


def burstiness(records: Sequence[Record]) -> float:
    """The coefficient of variation of the gaps between arrivals: 1 for Poisson, more the burstier.

    Standard deviation over mean of all gaps. Raises WorkloadError for fewer than two gaps, or none above 0.
    """
    gaps_s = [later.at_s - earlier.at_s for earlier, later in pairwise(records)]
    mean_s = fsum(gaps_s) / len(gaps_s) if gaps_s else 0.0
    if len(gaps_s) < 2 or mean_s <= 0.0:
        raise WorkloadError(f"{len(records)} arrivals have no burstiness: three or more at different times have")
    return sqrt(fsum((gap_s - mean_s) ** 2 for gap_s in gaps_s) / len(gaps_s)) / mean_s
