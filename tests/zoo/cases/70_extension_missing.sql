-- title: CREATE EXTENSION that this server lacks
-- catalogue: 70
-- visible: before-after
-- exit: 7
-- finding: migration-failed 0A000
-- cause: /0A000.*not installed/
-- why: it may be the shadow's fault; never safe, never a regression

-- section: migration
create extension no_such_extension;
