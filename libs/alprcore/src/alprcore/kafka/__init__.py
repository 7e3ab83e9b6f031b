"""Kafka at the rim: publishing that is never forgotten, consuming that commits after the effect, dead letters.

The rules: an offset is committed after what it stands for has happened; a message that no retry can save becomes a
dead letter; what is away for now is waited for in place; anything else ends the process, which starts again.
"""

from alprcore.kafka.admin import Changes, Rule, rules_of, settle_accounts, settle_rules, settle_topics
from alprcore.kafka.batches import BatchHandler, run_batches
from alprcore.kafka.consume import run_consumer, run_letters
from alprcore.kafka.follow import AssignedFollower, follow_from, follow_since, follow_whole, read_at
from alprcore.kafka.fresh import never_written, partitions_of
from alprcore.kafka.letters import lying, replay
from alprcore.kafka.loop import DeadLetterLimit, Message
from alprcore.kafka.publish import Ack, DeadLetters, Publisher
from alprcore.kafka.settings import KafkaSecurity, KafkaSettings, Plaintext, Sasl, Tls
from alprcore.kafka.streams import stream_faults, watch_streams
from alprcore.kafka.topics import create_topics, existing_topics, load_topic_specs

__all__ = [
    "Ack",
    "AssignedFollower",
    "BatchHandler",
    "Changes",
    "DeadLetterLimit",
    "DeadLetters",
    "KafkaSecurity",
    "KafkaSettings",
    "Message",
    "Plaintext",
    "Publisher",
    "Rule",
    "Sasl",
    "Tls",
    "create_topics",
    "existing_topics",
    "follow_from",
    "follow_since",
    "follow_whole",
    "load_topic_specs",
    "lying",
    "never_written",
    "partitions_of",
    "read_at",
    "replay",
    "rules_of",
    "run_batches",
    "run_consumer",
    "run_letters",
    "settle_accounts",
    "settle_rules",
    "settle_topics",
    "stream_faults",
    "watch_streams",
]
