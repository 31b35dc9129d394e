-- Run once, by the database's administrator, when the cluster is made: one role owns the tables, the other works with them.
\getenv owner_password OWNER_PASSWORD
\getenv application_password APPLICATION_PASSWORD
CREATE ROLE opsconsole_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE opsconsole LOGIN PASSWORD :'application_password';
CREATE DATABASE opsconsole OWNER opsconsole_owner ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' TEMPLATE template0;
