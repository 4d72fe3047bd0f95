import { createApp, expoBrowser, nativePorts, secureStore } from '@sojourn-auth/app/react-native';
import * as Crypto from 'expo-crypto';
import * as SecureStore from 'expo-secure-store';
import * as WebBrowser from 'expo-web-browser';

export const app = createApp({
  issuer: 'http://localhost:8080',
  clientId: 'notes',
  redirectUri: 'com.example.notes:/callback',
  apis: ['http://localhost:8080/me'],
  ...nativePorts(secureStore(SecureStore), expoBrowser(WebBrowser), Crypto),
});
