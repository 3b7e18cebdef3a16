-- title: A view made security_invoker: its readers have no right on the table
-- catalogue: 24
-- visible: before-after
-- exit: 5
-- needs: 15
-- finding: broken 42501 /from customer_directory/
-- cause: /view customer_directory became security_invoker/
-- why: shows only to the role that reads it

-- section: migration
alter view customer_directory set (security_invoker = true);
