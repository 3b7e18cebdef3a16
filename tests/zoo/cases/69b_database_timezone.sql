-- title: ALTER DATABASE SET timezone: new sessions see other local times
-- catalogue: 69
-- visible: before-after
-- exit: 5
-- finding: different /select placed/
-- cause: /setting TimeZone was changed for new sessions/
-- why: text of a timestamptz depends on the session's zone

-- section: migration
alter database shop set timezone = 'Asia/Tokyo';

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 40000)
select placed from orders where id = :id;
