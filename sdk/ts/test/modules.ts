// The modules of React Native and Capacitor fit the adapters: this is compiled, and never run.
import { App } from '@capacitor/app';
import { Browser } from '@capacitor/browser';
import * as SecureStore from 'expo-secure-store';
import * as WebBrowser from 'expo-web-browser';
import { InAppBrowser } from 'react-native-inappbrowser-reborn';
import * as Keychain from 'react-native-keychain';
import { capacitorBrowser } from '../src/browser/index.js';
import { expoBrowser, inAppBrowser, keychain, nativePorts, secureStore, type NativePorts } from '../src/react-native/index.js';

export const fits: NativePorts[] = [
  nativePorts(secureStore(SecureStore), expoBrowser(WebBrowser), crypto),
  nativePorts(keychain(Keychain), inAppBrowser(InAppBrowser), crypto),
];
export const capacitor = capacitorBrowser(Browser, App);
