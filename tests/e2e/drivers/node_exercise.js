// Does with node-postgres what applications do with it, against the database that PG* names.
'use strict';

const { Client, Pool, types } = require('pg');

async function refused(promise, code) {
  let got = 'no error';
  try {
    await promise;
  } catch (error) {
    got = error.code;
  }
  if (got !== code) throw new Error(`${got} instead of ${code}`);
}

async function queries(client) {
  await client.query('select * from items order by id limit 50');
  await client.query('select id, name from items where id = $1', [7]);
  await client.query('select $1::text, $2::int[], $3::jsonb, $4::bytea, $5::timestamptz',
    ['x', [1, 2, null], { a: [1] }, Buffer.from([0, 255, 1]), new Date(Date.UTC(2026, 0, 1))]);
  await client.query({ text: 'select name, amount, flag, price from items where id < $1',
    values: [20], binary: true });
  await client.query({ text: 'select id, name from items where id < 5', rowMode: 'array' });
  await client.query('select 1; select 2; select 3');
  await client.query('');
  for (let i = 1; i < 9; ++i) {
    await client.query({ name: 'by-id', text: 'select name, tags from items where id = $1',
      values: [i] });
  }
  // One name, two texts: the driver refuses the second by itself.
  await refused(client.query({ name: 'by-id', text: 'select 1', values: [] }), undefined);
  await refused(client.query('select nonsense'), '42703');
  await refused(client.query('select $1::int / 0', [1]), '22012');
  await refused(client.query('select $1::int', ['no number']), '22P02');
  await refused(client.query({ name: 'wrong', text: 'selec $1', values: [1] }), '42601');
  await refused(client.query({ name: 'wrong', text: 'selec $1', values: [1] }), '42601');
}

async function transactions(client) {
  await client.query('begin');
  const made = await client.query("insert into items (name) values ('from node') returning id");
  await client.query('insert into events (item, kind) values ($1, $2)', [made.rows[0].id, 'made']);
  await client.query('savepoint a');
  await refused(client.query("insert into items (name) values ('from node')"), '23505');
  await refused(client.query('select 1'), '25P02');
  await client.query('rollback to a');
  await client.query('commit');
  await client.query('begin isolation level repeatable read read only');
  await refused(client.query('delete from events'), '25006');
  await client.query('rollback');
  await client.query("select count(*), max(id) from events");
}

async function cursors(client) {
  await client.query('begin');
  await client.query('declare c cursor for select id, name from items order by id');
  await client.query('fetch 20 from c');
  await client.query('fetch 20 from c');
  const opened = await client.query('select open_items($1) as name', [6]);
  await client.query(`fetch all in "${opened.rows[0].name}"`);
  await client.query(`close "${opened.rows[0].name}"`);
  await client.query('commit');
  // A row limit: Execute until the portal is done.
  await client.query({ text: 'select id from items where id > $1 order by id', values: [100],
    rows: 40 });
}

async function pool() {
  const all = new Pool({ max: 3 });
  const work = [];
  for (let i = 1; i <= 30; ++i) {
    work.push(all.query('update items set amount = amount + 1 where id = $1 returning amount', [i]));
  }
  await Promise.all(work);
  await all.end();
}

async function notifications(client) {
  const listener = new Client();
  await listener.connect();
  let told = 0;
  const all = new Promise((resolve) => {
    listener.on('notification', () => { if (++told === 10) resolve(); });
  });
  await listener.query('listen chatter');
  for (let i = 0; i < 10; ++i) await client.query('select pg_notify($1, $2)', ['chatter', `no ${i}`]);
  await all;
  await listener.query('select count(*) from items');
  await listener.end();
}

async function main() {
  types.setTypeParser(types.builtins.INT8, BigInt);
  const client = new Client({ application_name: 'node exercise' });
  client.on('notice', () => {});
  await client.connect();
  await queries(client);
  await transactions(client);
  await cursors(client);
  await pool();
  await notifications(client);
  await client.query("do $$ begin raise notice 'hello'; end $$");
  await client.query("set timezone to 'UTC'");
  await client.query('select id, seen, amount from items where id < 40 order by id');
  await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
