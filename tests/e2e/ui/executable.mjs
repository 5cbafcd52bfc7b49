// Unpacks the browser where it is not yet, and says where it is.
import chromium from '@sparticuz/chromium';

console.log(await chromium.executablePath());
