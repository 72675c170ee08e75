"""The catalogue of acquisitions: one row per list-mode directory, found fast, made again from the directories."""

from daq.services.catalogue.entry import Acquisition, Filter
from daq.services.catalogue.service import Catalogue, CatalogueBounds

__all__ = ["Acquisition", "Catalogue", "CatalogueBounds", "Filter"]
