-- title: A function overload: another function is chosen silently
-- catalogue: 60
-- visible: before-after
-- exit: 5
-- finding: different /select discount/
-- cause: /function discount\(amount integer\) was added/
-- why: an exact match of types wins over one that needs a cast

-- section: migration
create function discount(amount int) returns numeric language sql immutable as 'select amount * 0.5';

-- section: traffic role=app protocol=simple calls=20
select discount(200);
