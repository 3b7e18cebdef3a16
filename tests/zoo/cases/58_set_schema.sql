-- title: SET SCHEMA
-- catalogue: 58
-- visible: before-after
-- exit: 5
-- finding: broken 42P01 /insert into tickets/
-- cause: /table tickets was moved to schema support/
-- why: the application's search_path does not hold the new schema

-- section: migration
create schema support;
grant usage on schema support to app;
alter table tickets set schema support;
