"""NM pictures in DICOM files, as other people's programs read and vendors write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, generate_uid


def write_nm(path: Path, counts: Any, pixel_mm: float) -> Path:
    """Write a static NM picture [rows, columns] of one frame."""
    picture = Dataset()
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    picture.file_meta.MediaStorageSOPClassUID = picture.SOPClassUID = NuclearMedicineImageStorage
    picture.file_meta.MediaStorageSOPInstanceUID = picture.SOPInstanceUID = generate_uid()
    picture.Modality, picture.NumberOfFrames = "NM", 1
    picture.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    picture.Rows, picture.Columns = counts.shape
    picture.SamplesPerPixel, picture.PhotometricInterpretation = 1, "MONOCHROME2"
    picture.BitsAllocated = picture.BitsStored = 16
    picture.HighBit, picture.PixelRepresentation = 15, 0
    picture.PixelSpacing = [pixel_mm, pixel_mm]
    picture.PixelData = np.asarray(counts, "<u2").tobytes()
    picture.save_as(path, enforce_file_format=True)
    return path


def read_nm(path: Path) -> tuple[Any, float]:
    """Return the picture of a file, row 0 at the top as it is stored, and its pixel in mm."""
    picture = pydicom.dcmread(path)
    counts = picture.pixel_array
    return (counts.sum(axis=0) if counts.ndim > 2 else counts).astype(np.float64), float(picture.PixelSpacing[0])


def synthetic(seed: int) -> Any:
    """Return a flood of 10,000 counts per pixel: 84 x 62 pixels amid 128 x 128, of which pylinac takes 80 x 58."""
    counts = np.random.default_rng(seed).poisson(10_000, (128, 128))
    lit = np.zeros(counts.shape, bool)
    lit[33:95, 22:106] = True
    return np.where(lit, counts, 0)
