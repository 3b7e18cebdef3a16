-- title: A unique index dropped: ON CONFLICT has no arbiter
-- catalogue: 45
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: broken 42P10 /insert into coupons/
-- cause: /index coupons_code on coupons is not unique any more/
-- why: ON CONFLICT (code) needs a unique index over just that

-- section: migration
drop index coupons_code;
create index coupons_code on coupons (code);
