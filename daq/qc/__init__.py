"""Numbers of quality control and calibration: pure functions of events, pictures and spectra. No IO."""
