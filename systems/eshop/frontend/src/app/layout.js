import Header from '@/components/Header';
import './globals.css';

export const metadata = {
  title: { default: 'Kura, things for the house', template: '%s, Kura' },
  description: 'A small shop for things that are used every day and made to last.',
};

// Every page shows who is logged in and what is in stock now, so none is made at build time.
export const dynamic = 'force-dynamic';

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        <Header />
        <main className="wrap">{children}</main>
        <footer className="site-footer">
          <div className="wrap">
            Kura is a demonstration shop: nothing is sent and nothing is charged.
          </div>
        </footer>
      </body>
    </html>
  );
}
