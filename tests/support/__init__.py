"""Running servers, databases and clocks for tests; the only shared test code. No product code imports it."""
