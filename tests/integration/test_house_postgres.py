"""The PostgreSQL that other tests stand on."""

import psycopg
import pytest

from tests.support.postgres import running_postgres


def test_a_copy_of_a_database_holds_what_the_template_held(postgres_server):
    template = postgres_server.create_database()
    postgres_server.execute("CREATE TABLE kept (id int)", database=template)
    postgres_server.execute("INSERT INTO kept VALUES (7)", database=template)
    copy = postgres_server.create_database(template=template)
    assert postgres_server.execute("SELECT id FROM kept", database=copy) == [(7,)]
    postgres_server.drop_database(copy)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_server.url(copy))


def test_committed_data_survives_a_crash_on_the_same_port():
    with running_postgres() as server:
        server.execute("CREATE TABLE kept (id int)")
        server.execute("INSERT INTO kept VALUES (7)")
        server.execute("CHECKPOINT")
        port = server.port
        server.kill()
        server.start()
        assert server.port == port
        assert server.execute("SELECT id FROM kept") == [(7,)]
