-- title: DETACH PARTITION CONCURRENTLY of one that no query reads
-- catalogue: S21
-- visible: before-after
-- exit: 0
-- finding: none
-- why: a short lock at most. REPACK (CONCURRENTLY) comes with PostgreSQL 19

-- section: migration
alter table readings detach partition readings_2025 concurrently;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 2000)
select value from readings where at >= '2026-01-01' and id = :id;
