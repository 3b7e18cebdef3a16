-- title: REVOKE
-- catalogue: 57
-- visible: before-after
-- exit: 5
-- finding: broken 42501 /update orders/
-- cause: /rights on table orders were taken from app/
-- why: shows only to the role that needs the right

-- section: migration
revoke update on orders from app;
