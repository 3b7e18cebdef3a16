-- title: A unique index made partial: ON CONFLICT cannot infer it
-- catalogue: 45
-- visible: before-after
-- exit: 5
-- finding: broken 42P10 /insert into coupons/
-- cause: /index coupons_code on coupons is not unique any more/
-- why: a partial index is inferred only if the statement repeats its predicate

-- section: migration
drop index coupons_code;
create unique index coupons_code on coupons (code) where used < 100;
