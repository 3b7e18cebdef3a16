-- title: ADD UNIQUE: later duplicates are refused
-- catalogue: 38
-- visible: before-after
-- exit: 5
-- finding: broken 23505 /insert into invites/
-- cause: /constraint invites_email_key was added on invites/
-- why: the data held no duplicates, the traffic does; the index build under an exclusive lock shows only during

-- section: migration
alter table invites add unique (email);

-- section: traffic role=app protocol=extended calls=20
\set n random(1, 5000)
insert into invites (email, sent) values ('guest' || :n || '@example.com', '2026-03-01');
