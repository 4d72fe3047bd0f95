import resource = require('@sojourn-auth/resource');

const guard: resource.Guard = resource.createGuard({ issuer: 'http://localhost:1', clientId: 'notes-api', clientSecret: 'secret' });
const serve = resource.handler(guard, {}, () => new Response());
serve(new Request('http://localhost/notes')).then(({ status }) => (console.log(status), guard.close()), console.error);
