-- title: ENABLE ROW LEVEL SECURITY without a policy: the application sees nothing
-- catalogue: 55
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: different /(from|update) customers (where id|set)/
-- finding: broken 42501 /insert into tickets/
-- also: /customers|label_of|orders|items|tickets/
-- cause: /row security was enabled on tickets/
-- cause: /row security was enabled on customers without a policy for role app/
-- why: no error on reading, and the owner sees every row

-- section: migration
alter table customers enable row level security;
alter table tickets enable row level security;
