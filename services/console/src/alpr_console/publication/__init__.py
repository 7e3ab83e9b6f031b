"""The guidelines and the policy as they are published, made from what is configured."""
