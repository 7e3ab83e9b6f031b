"""Who may write, approve and put into force a version of the profile."""
