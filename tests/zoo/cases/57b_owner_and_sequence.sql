-- title: REVOKE of a sequence: inserts that draw from it fail
-- catalogue: 57
-- visible: before-after
-- exit: 5
-- finding: broken 42501 /insert into reviews/
-- cause: /rights on sequence reviews_id_seq were taken from app/
-- why: nextval() needs USAGE

-- section: migration
revoke all on sequence reviews_id_seq from app;
