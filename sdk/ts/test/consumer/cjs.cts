import node = require('@sojourn-auth/app/node');

const app: node.App = node.createApp({ issuer: 'https://id.example.com', clientId: 'notes', redirectUri: 'http://127.0.0.1/callback', ...node.nodePorts('./kept') });
app.state().then(({ status }) => console.log(status), console.error);
