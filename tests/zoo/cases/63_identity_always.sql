-- title: Identity to GENERATED ALWAYS: explicit ids are refused
-- catalogue: 63
-- visible: before-after
-- exit: 5
-- finding: broken 428C9 /insert into tickets/
-- cause: /column tickets.id became GENERATED ALWAYS AS IDENTITY/
-- why: deployed code gives ids itself

-- section: migration
alter table tickets alter column id set generated always;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1000000, 900000000)
insert into tickets (id, subject) values (:id, 'Imported');
