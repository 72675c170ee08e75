"""The tables of quality control in the catalogue's database: an index of documents that lie in files, made from them.

`content` is the canonical JSON that `sha256` is the hash of, so a row can be checked by itself. `numbers` and `noise`
of a figure are little-endian float64, one of each subject, NaN where there is none.
"""

from __future__ import annotations

import sqlalchemy as sa

from daq.services.catalogue.table import metadata

qc_documents = sa.Table(
    "qc_documents",
    metadata,
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("test", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("entered_ms", sa.BigInteger, nullable=False),
    sa.Column("entered_by", sa.Text, nullable=False),
    sa.Column("station", sa.Text, nullable=False),
    sa.Column("scanner", sa.Text, nullable=False),
    sa.Column("keeper", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("work", sa.String(64), nullable=False),
    sa.Column("stamp", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("qc_documents_by_test", "test", "at_ms"),
    sa.Index("qc_documents_by_kind", "kind", "at_ms"),
    sa.Index("qc_documents_by_about", "about"),
    sa.Index("qc_documents_by_work", "work"),
)
"""`test`: of a result, reference or event; `work`: what makes two results the same one (`daq.services.qc.entries`);
`stamp` changes when the file does; `problem`: why the document is left out, empty where it is in order."""

qc_figures = sa.Table(
    "qc_figures",
    metadata,
    sa.Column("result", sa.String(120), primary_key=True),
    sa.Column("name", sa.String(120), primary_key=True),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("subjects", sa.Text, nullable=False),
    sa.Column("numbers", sa.LargeBinary, nullable=False),
    sa.Column("noise", sa.LargeBinary),
)
TABLES = (qc_documents, qc_figures)
