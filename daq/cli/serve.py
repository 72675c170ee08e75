"""`daq serve`: the daemon of one station, in the foreground, until it is told to end."""

from __future__ import annotations

import argparse


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = nouns.add_parser("serve", help="run the daemon of this station")
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.add_argument("--log-level", choices=("debug", "info", "warning"), default="info")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; return 0 after an orderly end, even while an acquisition goes on without us."""
    import logging
    import sys
    from functools import partial

    from daq.composition.daemon import serve
    from daq.gateway.service import console
    from daq.services.mainloop import run as run_until_told
    from device_profiles.places import find_site

    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    logging.captureWarnings(capture=True)
    return run_until_told(partial(serve, find_site(options.site), fronts=(console,)))
