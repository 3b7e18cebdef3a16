-- title: A function overload: the call is ambiguous
-- catalogue: 60
-- visible: before-after
-- exit: 5
-- finding: broken 42725 /select label_of/
-- cause: /function label_of\(integer, separator text\) was added/
-- why: with a default argument both functions fit

-- section: migration
create function label_of(int, separator text default ', ') returns text language sql as 'select $2';
