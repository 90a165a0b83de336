"""The lines that Kafka's tools print differently with Ottla, and why.

An entry is Words (within a line) or Lines (whole ones). By its kind it is intended, disappears when the API is
served, or is a fault of Ottla's that is to be fixed.
"""

from .apis import APIS
from .faults import FAULTS
from .intended import INTENDED
from .not_yet import NOT_YET

DIFFERENCES = [*INTENDED, *APIS, *NOT_YET, *FAULTS]
