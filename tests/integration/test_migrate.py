from ocpi_hub.store.database import Database
from ocpi_hub.store.migrate import pending


async def test_migrated_database_has_nothing_pending(database: Database) -> None:
    async with database.connection() as connection:
        assert await pending(connection) == []
