"""Images by recorded intent, images of live hits, and counts by camera."""
