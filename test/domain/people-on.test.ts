import { peopleOn } from '../../src/domain/task.ts';

const ada = { issuer: 'https://sso.test', subject: 'ada' };
const job = { issuer: 'https://ci.test', subject: 'job:7' };

test('whoever asks, is acted for, or handed it on, where an issuer vouches for them', () => {
  const chain = [
    { trust: 'ci', id: 'job', ...job },
    { trust: 'mesh', id: 'spiffe://a/b' },
  ];
  const verified = { trust: 'corp', groups: [], ...ada };
  expect(peopleOn({ verified, chain }, {})).toEqual([ada, job]);
  expect(peopleOn({ verified, chain }, { ...job, subject: 'job:8' })).toEqual([ada, job, { ...job, subject: 'job:8' }]);
});

test('each once; nobody whom only half is known of, and nobody who was only named', () => {
  expect(peopleOn({ chain: [{ trust: 'ci', id: 'job', ...job }] }, job)).toEqual([job]);
  expect(peopleOn({ chain: [{ trust: 'ci', id: 'job', issuer: 'https://ci.test' }] }, {})).toEqual([]);
});
