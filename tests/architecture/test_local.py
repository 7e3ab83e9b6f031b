"""The local broker and database: they die with their holder and keep their data."""

import asyncio
import os
import signal
import subprocess
import sys

import asyncpg
import psutil

from tests.fixtures.state import state_folder

HOLDER = """
import asyncio, sys, time, asyncpg
from pathlib import Path
from alpr_cli.local import LocalPostgres
dsn = LocalPostgres(Path(sys.argv[1])).start()
async def write():
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)")
    await connection.close()
asyncio.run(write())
print("ready", flush=True)
time.sleep(600)
"""


def users_of(folder):
    processes = psutil.process_iter(["cmdline"])
    return [process for process in processes if any(str(folder) in part for part in process.info["cmdline"] or ())]


def test_a_killed_holder_leaves_nothing_running_and_loses_nothing():
    from alpr_cli.local import LocalPostgres

    with state_folder() as folder:
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True)
        assert holder.stdout.readline() == "ready\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
        with LocalPostgres(folder) as dsn:  # waits for the lock of whatever is still stopping

            async def read():
                connection = await asyncpg.connect(dsn)
                value = await connection.fetchval("SELECT a FROM kept")
                await connection.close()
                return value

            assert asyncio.run(read()) == 7
        assert users_of(folder) == []


def test_a_stale_process_file_does_not_stop_the_database():
    from alpr_cli.local import LocalPostgres

    with state_folder() as folder:
        with LocalPostgres(folder):
            stale = (folder / "postgres/postmaster.pid").read_text()
        (folder / "postgres/postmaster.pid").write_text(stale.replace(stale.split("\n")[0], str(os.getpid()), 1))
        with LocalPostgres(folder) as dsn:
            assert dsn.startswith("postgresql://postgres:")


def test_the_broker_keeps_messages_over_a_restart():
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    from alpr_cli.local import LocalKafka

    async def write(bootstrap):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
            await producer.send_and_wait("kept", b"still here")

    async def read(bootstrap):
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
            consumer.assign([TopicPartition("kept", 0)])
            return (await asyncio.wait_for(consumer.getone(), 30)).value

    with state_folder() as folder:
        with LocalKafka(folder) as bootstrap:
            asyncio.run(write(bootstrap))
        with LocalKafka(folder) as bootstrap:
            assert asyncio.run(read(bootstrap)) == b"still here"
        assert users_of(folder) == []


def test_addresses_from_outside_come_first(monkeypatch, tmp_path):
    from alpr_cli import local

    monkeypatch.setenv("ALPR_KAFKA", "broker.example:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql://database.example/alpr")
    assert local.kafka(tmp_path).start() == "broker.example:9092"
    assert local.postgres(tmp_path).start() == "postgresql://database.example/alpr"
    assert list(tmp_path.iterdir()) == []
