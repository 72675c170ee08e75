"""How requests to instruments become bytes, and bytes replies: one codec for each family of protocols. Without IO."""
