"""The catalogue of acquisitions: one row per list-mode directory, found fast, made again from the directories.

`service.Catalogue` is the daemon's, `database.Database` the one that commands use; `entry` has rows and filters.
"""
