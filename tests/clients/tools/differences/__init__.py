"""Where Kafka's tools print something else when they talk to Ottla, and why.

An entry is Words (within a line) or Lines (whole ones); its kind says whether that is meant so, will go when the API is
served, or is a fault of Ottla's that waits for its mending.
"""

from .apis import APIS
from .faults import FAULTS
from .intended import INTENDED
from .not_yet import NOT_YET

DIFFERENCES = [*INTENDED, *APIS, *NOT_YET, *FAULTS]
