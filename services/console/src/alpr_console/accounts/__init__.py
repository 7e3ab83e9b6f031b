"""Who may come in: people, passwords, second factor, sessions."""
