-- title: NOT NULL ... NOT VALID, then VALIDATE
-- catalogue: S9
-- visible: before-after
-- exit: 0
-- needs: 18
-- finding: none
-- why: the scan stops nobody

-- section: migration
alter table reviews add constraint words_there not null words not valid;
alter table reviews validate constraint words_there;
