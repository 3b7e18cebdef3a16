-- title: ADD CONSTRAINT NOT VALID, then VALIDATE
-- catalogue: S7
-- visible: before-after
-- exit: 0
-- finding: none
-- why: traffic runs beside the scan, and its values meet the constraint

-- section: migration
alter table orders add constraint total_positive check (total >= 0) not valid;
alter table orders validate constraint total_positive;
