-- title: VALIDATE CONSTRAINT while traffic runs
-- catalogue: S7
-- visible: during
-- live: reader
-- exit: 0
-- finding: none
-- why: the table is free when the constraint comes, and the scan stops nobody

-- section: migration
alter table coupons add constraint percents check (percent >= 0) not valid;
alter table coupons validate constraint percents;
