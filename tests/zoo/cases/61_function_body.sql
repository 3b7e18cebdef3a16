-- title: CREATE OR REPLACE FUNCTION with another body
-- catalogue: 61
-- visible: before-after
-- exit: 5
-- finding: different /order_total/
-- cause: /function order_total\(bigint\) was replaced by another one/
-- why: other results

-- section: migration
create or replace function order_total(bigint) returns numeric language sql stable as
    'select coalesce(sum(quantity * price), 0) * 1.19 from items where order_id = $1';
