-- title: DROP STATISTICS: estimates shift, and with them the plan
-- catalogue: 67
-- visible: before-after
-- exit: 5
-- finding: slower|more-work /from addresses/
-- cause: /statistics object addresses_city_zip on addresses was dropped/
-- fix: /create statistics public.addresses_city_zip .*on city, zip from addresses;/
-- why: two columns that agree are taken for independent, and the wrong join is chosen

-- section: migration
drop statistics addresses_city_zip;

-- section: traffic role=app protocol=simple calls=30
select count(*) from addresses a join addresses b on b.street = a.street where a.city = 7 and a.zip = 7 and b.city = 7 and b.zip = 7;
