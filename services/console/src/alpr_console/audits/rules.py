"""What an auditor may ask before the door is asked."""
