-- title: A row level security policy: fewer rows
-- catalogue: 56
-- visible: before-after
-- exit: 5
-- finding: different /customers/
-- also: /customers|label_of/
-- cause: /policy by_country on customers/
-- why: the application sees, and changes, a part of the rows; what is read after such a change is told with it

-- section: migration
alter table customers enable row level security;
create policy by_country on customers to app using (country <> 'US') with check (true);
