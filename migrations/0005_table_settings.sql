-- Room beside the rows of heads: a seventh of a page is enough for every update to stay on it, and the table, which
-- keeps a row of every subject there ever was, is a sixth smaller (`npm run tables` in bench/). The setting holds for
-- pages that are written from now on, and is made without waiting for readers or writers.
alter table "{schema}"."{prefix}_heads" set (fillfactor = 85);

-- down
alter table "{schema}"."{prefix}_heads" set (fillfactor = 70);
