"""What every Plateline service shares: model, policy, wire format and doors to Kafka and PostgreSQL."""
